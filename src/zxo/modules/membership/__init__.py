"""Who may do what for how long: memberships, and the codes that grant them."""
