import unittest

from pocket.money import add, to_cents


class Money(unittest.TestCase):
    def test_an_amount_in_cents(self) -> None:
        self.assertEqual(to_cents("12.50"), 1250)

    def test_what_is_missing_counts_nothing(self) -> None:
        self.assertEqual(add(100, None, 5), 105)
