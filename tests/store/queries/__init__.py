"""What the page reads, compared with what the rows say."""
