"""Which commit of a branch is proven: old enough, once the tip of its branch, its checks passed."""
