package match

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
)

// The index finds every pattern that matches, and few others: of string forms exactly those.
func TestIndexFindsWhatMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(alphabet string, n int) string {
		var b strings.Builder
		for range r.IntN(n) {
			b.WriteByte(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	found, missed := 0, 0
	for range 300 {
		var index Index
		var paths []Path
		for range 1 + r.IntN(40) {
			var text string
			switch r.IntN(5) {
			case 0:
				text = "/" + word("ab/", 8)
			case 1:
				text = "/" + word("ab/", 6) + "*"
			case 2:
				text = "*" + word("ab/", 5)
			default:
				segments := make([]string, 1+r.IntN(4))
				for i := range segments {
					segments[i] = []string{"a", "b", "ab", "{*}", ""}[r.IntN(5)]
				}
				if r.IntN(3) == 0 {
					segments[r.IntN(len(segments))] = "{**}"
				}
				text = "/" + strings.Join(segments, "/")
			}
			if p, err := ParsePath(text); err == nil {
				index.AddPath(p, uint32(len(paths)))
				paths = append(paths, p)
			}
		}
		for range 60 {
			value := "/" + word("ab/", 8)
			candidates := index.Append(nil, value)
			for i, p := range paths {
				is := slices.Contains(candidates, uint32(i))
				switch {
				case p.Match(value):
					found++
					require.True(t, is, "%s matches %s, and is not found among %v", p, value, paths)
				case is:
					missed++
					require.True(t, p.rest, "%s does not match %s, and is found among %v", p, value, paths)
				}
			}
		}
	}
	t.Logf("%d found, %d found in vain", found, missed)
	assert.Greater(t, found, missed, "most of what is found matches")
}

func TestIndexFindsHosts(t *testing.T) {
	patterns := []string{"db", "db:80", "db*", "*.example.org", "*.example.org:443", "*", "[::1]", "[::1]:80", "db:8*"}
	var index Index
	var hosts []Host
	for i, p := range patterns {
		h, err := ParseHost(p)
		require.NoError(t, err)
		index.AddHost(h, uint32(i))
		hosts = append(hosts, h)
	}
	for _, authority := range []string{"", "db", "db:80", "db:81", "a.example.org", "a.example.org:443", "a.example.org:80", "[::1]", "[::1]:80", "x"} {
		candidates := index.AppendHost(nil, authority)
		for i, h := range hosts {
			if h.Match(authority) {
				assert.Contains(t, candidates, uint32(i), "%s for %s", patterns[i], authority)
			}
		}
	}
	assert.Len(t, index.AppendHost(nil, "x"), 1, "only *")
}

func TestIndexOfNothing(t *testing.T) {
	var index Index
	assert.Empty(t, index.Append(nil, "/a"))
	assert.Empty(t, index.AppendHost(nil, "a:1"))
}

func BenchmarkIndex(b *testing.B) { budget.Time(b, lookUp(20, 10_000, 100_000)) }

// lookUp looks for a path among so many.
func lookUp(paths ...int) budget.Benchmark {
	return func(b *budget.Runner) {
		for _, n := range paths {
			var index Index
			for i := range n {
				p, _ := ParsePath("/svc-" + strconv.Itoa(i) + "/records/{*}")
				index.AddPath(p, uint32(i))
			}
			path := "/svc-" + strconv.Itoa(n-1) + "/records/42"
			var ids []uint32
			b.Op(strconv.Itoa(n), func() {
				if ids = index.Append(ids[:0], path); len(ids) != 1 {
					b.Fatal(ids)
				}
			})
		}
	}
}

func BenchmarkNormal(b *testing.B) { budget.Time(b, normalize) }

// normalize finds what is in normal form, as most of it is.
func normalize(b *budget.Runner) {
	b.Op("path", func() {
		if _, err := NormalPath("/records/42.json", DecodeAndMergeSlash); err != nil {
			b.Fatal(err)
		}
	})
	b.Op("host", func() { _ = NormalHost("api.example.org:443") })
}

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Index": lookUp(20, 10_000), "Normal": normalize})
}
