"""What is known about smoking and stopping: claims in our own words, each with its source."""
