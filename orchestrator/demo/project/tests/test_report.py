import unittest

from pocket.report import report


class Report(unittest.TestCase):
    def test_the_total_is_the_last_line(self) -> None:
        text = report([("apple", 45), ("bread", 320)])
        self.assertEqual(text.splitlines()[-1].split(), ["total", "3.65"])
