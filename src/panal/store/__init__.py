"""What is kept: the shared folder, hashes, partial files, and the index that remembers them."""
