"""Parity: does an artifact compute what the reference computes, and would its gate notice?"""
