"""What each page says, as frozen values. No HTML here, and no file."""
