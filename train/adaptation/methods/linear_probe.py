"""Linear probe: the encoder stays frozen, and the head alone is trained."""

from train.adaptation.methods.implementation import FrozenEncoder

IMPLEMENTATION = FrozenEncoder()
