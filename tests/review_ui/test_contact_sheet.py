"""The newest images of a batch on one sheet, whatever their sizes and channels."""

import numpy as np

from review_ui.views.overview import contact_sheet


def test_images_of_two_sizes_and_kinds_share_a_sheet() -> None:
    small, wide = np.full((2, 3, 1), 200, np.uint8), np.full((4, 6, 3), (9, 8, 7), np.uint8)
    deep = np.array([[0, 300]], np.uint16)[:, :, None]
    sheet = contact_sheet([small, wide, deep], columns=2)
    assert sheet.shape == (4 + 2 + 4, 6 + 2 + 6, 3)
    assert (sheet[1:3, 1:4] == 200).all()  # in the middle of its cell
    assert (sheet[:4, 8:] == (9, 8, 7)).all()
    assert sheet[7, 2:4, 0].tolist() == [0, 255]  # 16 bit by its maximum
    sheet[1:3, 1:4] = sheet[:4, 8:] = sheet[7, 2:4] = 10
    assert (sheet == 10).all()
