"""What operators do: codes, people, numbers, jobs that failed, the settings in force."""
