"""One file for each provider; `streamlab/models/provider.py` says what each must offer."""
