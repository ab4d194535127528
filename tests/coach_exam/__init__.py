"""An exam for coaches: what people ask, and what a good answer says and does not say."""
