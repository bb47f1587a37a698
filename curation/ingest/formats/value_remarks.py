"""Remarks on the unit and the window of values, which the report of an import counts."""

OTHER_UNIT = "CT whose RescaleType is not HU: its values are taken as the file rescales them"
NO_RESCALE = (
    "CT, PET or HU without a RescaleSlope or RescaleIntercept: the unit of its values is unknown; they are taken as "
    "stored, with slope 1 and intercept 0 where the file says none"
)
NO_WINDOW = "WindowCenter and WindowWidth could not be used and count as absent"
