"""A folder, read-only over HTTP: finding files safely, pages about them, and the site that sends them."""
