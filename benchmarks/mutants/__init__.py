"""Mutation testing: does some test fail when one token of the mathematics is changed?"""
