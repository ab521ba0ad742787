package match

// Any tells whether one of some compiled patterns matches.
func Any[M interface{ Match(string) bool }](patterns []M, v string) bool {
	for i := range patterns {
		if patterns[i].Match(v) {
			return true
		}
	}
	return false
}
