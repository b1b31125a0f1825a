"""What is wanted of fibonacci.py, whatever it does inside."""

import unittest

from fibonacci import fibonacci


class Fibonacci(unittest.TestCase):
    def test_the_first_ten(self) -> None:
        found = [fibonacci(n) for n in range(10)]
        self.assertEqual(found, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34])

    def test_a_later_one(self) -> None:
        self.assertEqual(fibonacci(20), 6765)


if __name__ == "__main__":
    unittest.main()
