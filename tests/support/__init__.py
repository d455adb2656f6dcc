"""What the tests are written with: servers to test against, and clients that speak to them."""
