"""What is too much to be shown as Markdown."""

import re

LONGEST_TEXT = 200_000
