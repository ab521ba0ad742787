package authz

import "slices"

// walk goes through the rules that a dimension found, in the order of the configuration and each once.
type walk struct {
	rule uint32 // at hand

	heads  []head
	rules  []uint32
	merged []uint32
}

// head is where the walk is in the rules of one part.
type head struct{ at, end uint32 }

// maxHeads is how many parts' rules are walked side by side, where a look at each is quicker than sorting.
const maxHeads = 8

func (w *walk) start(d *dimension) {
	w.heads, w.rules = w.heads[:0], d.rules
	if len(d.hits) <= maxHeads {
		for _, n := range d.hits {
			if at, end := d.starts[n], d.starts[n+1]; at < end {
				w.heads = append(w.heads, head{at, end})
			}
		}
		return
	}
	w.merged = w.merged[:0]
	for _, n := range d.hits {
		w.merged = append(w.merged, d.rules[d.starts[n]:d.starts[n+1]]...)
	}
	slices.Sort(w.merged)
	w.rules = slices.Compact(w.merged)
	if len(w.rules) > 0 {
		w.heads = append(w.heads, head{0, uint32(len(w.rules))})
	}
}

// next goes to the next rule, and tells whether there is one.
func (w *walk) next() bool {
	if len(w.heads) == 0 {
		return false
	}
	least := w.rules[w.heads[0].at]
	for _, h := range w.heads[1:] {
		least = min(least, w.rules[h.at])
	}
	w.rule = least
	left := w.heads[:0]
	for _, h := range w.heads {
		if w.rules[h.at] == least { // a rule with two alternatives stands under both
			h.at++
		}
		if h.at < h.end {
			left = append(left, h)
		}
	}
	w.heads = left
	return true
}
