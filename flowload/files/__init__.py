"""Files that a run reads: opened with care, and watched for changes under it."""
