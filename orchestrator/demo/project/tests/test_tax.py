import unittest

from pocket.tax import tax


class Tax(unittest.TestCase):
    def test_half_a_cent_goes_to_the_even_one(self) -> None:
        self.assertEqual(tax(50, 5), 2)
        self.assertEqual(tax(150, 5), 8)
