"""Every read, already cut down to what the person may see."""
