"""Sizes of the networks that a recipe is checked against. Torch-free."""

DOWNSAMPLING = 4  # of the autoencoder
NORM_GROUPS = 8  # of the autoencoder
# Of the UNet. Time and class are added per channel just before a group norm, which removes a shift common to its group.
# With few channels per group the network hardly sees them, with one channel not at all.
MAX_NORM_GROUPS = 8
