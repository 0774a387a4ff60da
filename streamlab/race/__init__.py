"""The same question answered whole and streamed, at once."""
