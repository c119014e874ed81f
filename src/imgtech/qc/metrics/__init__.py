"""Image-quality metrics on arrays with spacings, one family a file."""
