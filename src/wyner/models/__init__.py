"""Models, one file per paper, and the table that lists them."""

from wyner.models.adgm import ADGM
from wyner.models.base import CriticOptions, Model, ModelOptions
from wyner.models.bcde import BCDE
from wyner.models.beta_vae import JointBetaVAE
from wyner.models.cvae import CVAE
from wyner.models.dmvae import DMVAE
from wyner.models.dsae import DSAE
from wyner.models.ensemble import Ensemble
from wyner.models.iiae import IIAE
from wyner.models.jmvae import JMVAE
from wyner.models.jvae import JVAE
from wyner.models.mmvae import MMVAE
from wyner.models.mmvae_plus import MMVAEPlus
from wyner.models.mopoe import MoPoE
from wyner.models.mvae import MVAE
from wyner.models.mvtcae import MVTCAE
from wyner.models.pixelcnn_vae import PixelCNNVAE
from wyner.models.ssvae import SSVAE
from wyner.models.stored import load
from wyner.models.variational_wyner import VariationalWyner
from wyner.models.vcca_private import BiVCCAPrivate, VCCAPrivate
from wyner.models.vib import VIB
from wyner.models.w_vae import WVAE
from wyner.models.wyner_vae import WynerVAE

PAIRS = (WynerVAE, JVAE, JMVAE, CVAE, VCCAPrivate, BiVCCAPrivate, VIB, JointBetaVAE, SSVAE, ADGM)
VIEWS = (BCDE, WVAE, IIAE, MVAE, MMVAE, MoPoE, MVTCAE, DMVAE, MMVAEPlus)
TABLE: dict[str, type[Model]] = {
    kind.__name__: kind for kind in (*PAIRS, *VIEWS, VariationalWyner, DSAE, PixelCNNVAE)
}
"""Every model by the name of its class; the command line takes the stable names as well."""

__all__ = ["TABLE", "CriticOptions", "Ensemble", "Model", "ModelOptions", "load", *TABLE]
