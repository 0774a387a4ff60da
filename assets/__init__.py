"""The app's icon and logo."""
