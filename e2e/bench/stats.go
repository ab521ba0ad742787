package main

import "slices"

// spread is what became of several measurements of the same.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// newSpread needs at least one value.
func newSpread(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// times is the same in another unit.
func (s spread) times(factor float64) spread {
	return spread{Median: factor * s.Median, Min: factor * s.Min, Max: factor * s.Max}
}

// minus subtracts what was measured in the same round.
func minus(a, b []float64) []float64 {
	return pairwise(a, b, func(x, y float64) float64 { return x - y })
}

// divide divides by what was measured in the same round.
func divide(a, b []float64) []float64 {
	return pairwise(a, b, func(x, y float64) float64 { return x / y })
}

func pairwise(a, b []float64, f func(x, y float64) float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = f(a[i], b[i])
	}
	return out
}
