//go:build race

package budget

// race tells that the race detector is in, which allocates, too.
const race = true
