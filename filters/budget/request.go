package budget

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// CheckCalls compares the calls of the host for a request with what the file says of a filter.
func CheckCalls(t testing.TB, filter string, r *Request, calls []string) {
	t.Helper()
	if !slices.Equal(calls, r.Calls) {
		t.Errorf("%s, %q: %s. They are:\n      calls: [%s]", filter, r.Name, callsDifference(calls, r.Calls), strings.Join(calls, ", "))
	}
}

// CheckModule does the same for a compiled filter, and for what it allocates, in several requests of which each is like the others.
func CheckModule(t testing.TB, filter string, r *Request, calls []string, counts []uint64) {
	t.Helper()
	want, got := uint64(len(r.Calls)), slices.Min(counts)
	report(t, Row{filter, r.Name, "host calls", uint64(len(calls)), &want}, Row{filter, r.Name, "allocations", got, r.Allocations})
	CheckCalls(t, filter, r, calls)
	switch {
	case r.Allocations == nil:
	case slices.Max(counts) != got && !r.Varies:
		t.Errorf("%s, %q: some requests allocate more than others: %v; %s does not say that it varies", filter, r.Name, counts, Name)
	case got != *r.Allocations:
		t.Errorf("%s, %q: %d allocations, not %d: %s", filter, r.Name, got, *r.Allocations, advice(got < *r.Allocations))
	}
}

// callsDifference says what is not as the file says.
func callsDifference(got, want []string) string {
	more, fewer := beyond(got, want), beyond(want, got)
	switch {
	case len(more) == 0 && len(fewer) == 0:
		return "the host calls are in another order than in " + Name
	case len(more) == 0:
		return fmt.Sprintf("host calls that %s has are gone: %s. It is better now: note it there", Name, strings.Join(fewer, ", "))
	case len(fewer) == 0:
		return fmt.Sprintf("host calls beyond %s: %s", Name, strings.Join(more, ", "))
	}
	return fmt.Sprintf("other host calls than in %s: %s, and not %s", Name, strings.Join(more, ", "), strings.Join(fewer, ", "))
}

// beyond are the names of a that are not in b, as often as they are not.
func beyond(a, b []string) []string {
	b = slices.Clone(b)
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool {
		i := slices.Index(b, name)
		if i < 0 {
			return false
		}
		b = slices.Delete(b, i, i+1)
		return true
	})
}
