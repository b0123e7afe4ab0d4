"""Bitstreams of AMD's 7 series: FASM to configuration frames, frames back to FASM, ``.bit`` files.

Reads Project X-Ray's database from the folder that it is given; starts no program, fetches
nothing and holds no part of that database.
"""
