package rls_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

// sent is what the service reads.
func sent(t testing.TB, r *rls.Request) *rlsv3.RateLimitRequest {
	t.Helper()
	frame := r.Frame()
	require.Zero(t, frame[0], "not compressed")
	require.EqualValues(t, len(frame)-5, binary.BigEndian.Uint32(frame[1:]))
	m := &rlsv3.RateLimitRequest{}
	require.NoError(t, proto.Unmarshal(frame[5:], m))
	require.Len(t, m.GetDescriptors(), r.Len())
	return m
}

// redisKey is the name of a counter but for the time of its window, as cache_key.go of github.com/envoyproxy/ratelimit makes it.
func redisKey(domain string, d *ratelimitv3.RateLimitDescriptor) string {
	b := domain + "_"
	for _, e := range d.GetEntries() {
		b += e.GetKey() + "_" + e.GetValue() + "_"
	}
	return b
}

func entry(key, value string) *ratelimitv3.RateLimitDescriptor_Entry {
	return &ratelimitv3.RateLimitDescriptor_Entry{Key: key, Value: value}
}

func descriptor(hits uint64, entries ...*ratelimitv3.RateLimitDescriptor_Entry) *ratelimitv3.RateLimitDescriptor {
	return &ratelimitv3.RateLimitDescriptor{Entries: entries, HitsAddend: wrapperspb.UInt64(hits)}
}

func TestRequest(t *testing.T) {
	var r rls.Request
	for range 2 { // its memory is used again
		r.Reset("palisade")
		r.Begin(rls.LimitKey, "per user")
		r.Value("begun again")
		r.EndEntry("header:x")
		r.Begin(rls.LimitKey, "per user")
		r.Value("a_b")
		r.Value("c,d")
		r.EndEntry("header:x")
		r.Entry(rls.OverrideKey, "*")
		kept := string(r.Entries())
		r.End(1)
		r.Begin(rls.DryRunKey, "free")
		r.Value("left over")
		r.Begin(rls.DryRunKey, "free")
		r.End(0)
		r.Add(kept, 1<<63)
		want := &rlsv3.RateLimitRequest{Domain: "palisade", Descriptors: []*ratelimitv3.RateLimitDescriptor{
			descriptor(1, entry("limit", "per%20user"), entry("header:x", "a%5Fb,c%2Cd"), entry("override", "%2A")),
			descriptor(0, entry("dry-run", "free")),
			descriptor(1<<63, entry("limit", "per%20user"), entry("header:x", "a%5Fb,c%2Cd"), entry("override", "%2A")),
		}}
		got := sent(t, &r)
		require.True(t, proto.Equal(want, got), "%v", got)
		for _, d := range got.GetDescriptors() {
			assert.NotNil(t, d.GetHitsAddend(), "0 is said, too: absent means 1")
		}
	}
}

func TestRequestOfAnySize(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var r rls.Request
	for range 300 {
		want := &rlsv3.RateLimitRequest{Domain: strings.Repeat("d", random.IntN(300))}
		r.Reset(want.Domain)
		for range random.IntN(4) {
			name := strings.Repeat("n", random.IntN(256))
			d := descriptor(random.Uint64()>>random.IntN(64), entry(rls.LimitKey, name))
			r.Begin(rls.LimitKey, name)
			for range random.IntN(5) {
				key, value := strings.Repeat("k", random.IntN(20_000)), strings.Repeat("v", random.IntN(257))
				d.Entries = append(d.Entries, entry(key, value))
				r.Entry(key, value)
			}
			r.End(d.GetHitsAddend().GetValue())
			want.Descriptors = append(want.Descriptors, d)
		}
		require.True(t, proto.Equal(want, sent(t, &r)))
	}
}

func BenchmarkRequest(b *testing.B) { budget.Time(b, write) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Request": write})
}

// write makes a request with a descriptor of its own and one that was kept.
func write(b *budget.Runner) {
	var r rls.Request
	kept := ""
	ask := func() {
		r.Reset("palisade")
		r.Begin(rls.LimitKey, "per-user")
		r.Value("a value with blanks")
		r.EndEntry("header:x")
		r.End(7)
		r.Add(kept, 7)
		r.Frame()
	}
	ask()
	kept = string(r.Entries())
	b.Op("", ask)
}

// values asks about one limit, with a key of as many parts as there are lists of values.
func values(t testing.TB, parts [][]string) string {
	t.Helper()
	var r rls.Request
	r.Reset("d")
	r.Begin(rls.LimitKey, "l")
	for _, list := range parts {
		for _, v := range list {
			r.Value(v)
		}
		r.EndEntry("header:x")
	}
	r.End(1)
	return redisKey("d", sent(t, &r).GetDescriptors()[0])
}

// Values that a client could choose to be taken for somebody else.
func TestNoTwoValuesHaveOneCounter(t *testing.T) {
	long, list := strings.Repeat("x", 300), slices.Repeat([]string{"abcdefg"}, 200)
	joined := strings.Join(list, ",")
	seen := map[string][][]string{}
	for _, parts := range [][][]string{
		{{"a"}, {"b"}}, {{"a_header:x_b"}, {"b"}}, {{"a"}, {"b_header:x_b"}}, {{"a"}, {"a", "b"}}, {{"a", "a"}, {"b"}}, {{"a,a"}, {"b"}},
		{{"a%2Ca"}, {"b"}}, {{"a%"}, {"b"}}, {{"a%25"}, {"b"}}, {{"a*"}, {"b"}}, {{"a "}, {"b"}}, {{" a"}, {"b"}}, {{"A"}, {"b"}},
		{{"", ""}, {"b"}}, {{"", "", ""}, {"b"}}, {{","}, {"b"}}, {{"a\xff"}, {"b"}}, {{"a\xfe"}, {"b"}}, {{"a\ufffd"}, {"b"}}, {{"a\x00"}, {"b"}},
		{{long}, {"b"}}, {{long + "x"}, {"b"}}, {{rls.Escape(long)}, {"b"}}, {{long, ""}, {"b"}},
		{list, {"b"}}, {{joined}, {"b"}}, {{rls.Escape(list...)}, {"b"}}, {append(list[:199:199], "abcdefh"), {"b"}},
	} {
		name := values(t, parts)
		require.NotContains(t, seen, name, "%q", parts)
		seen[name] = parts
		assert.Less(t, len(name), 1200)
	}
}

func FuzzNoTwoValuesHaveOneCounter(f *testing.F) {
	for _, s := range []string{"a\nb\na,b\n", "a_b\n\na\nb", "%\n%25\n*\n_", "\n\n,\n", strings.Repeat("x", 300) + "\n\n%sha256:ab\n"} {
		f.Add(s, uint8(1), uint8(2))
	}
	f.Fuzz(func(t *testing.T, text string, i, j uint8) {
		list := strings.Split(text, "\n")
		cut := func(at uint8) [][]string { n := int(at) % (len(list) + 1); return [][]string{list[:n], list[n:]} }
		a, b := cut(i), cut(j)
		if len(list) > 1 { // another text, too
			b[0], b[1] = slices.Clone(b[0]), slices.Clone(b[1])
			if len(b[1]) > 0 && i&1 == 1 {
				b[1][0] = rls.Escape(b[1]...)
			}
		}
		if slices.EqualFunc(a, b, slices.Equal) || isNone(a) || isNone(b) {
			return
		}
		require.NotEqual(t, values(t, a), values(t, b), "%q %q", a, b)
	})
}

// isNone tells whether a part has no value, or one that is empty: then it is missing, and the request has another descriptor.
func isNone(parts [][]string) bool {
	return slices.ContainsFunc(parts, func(l []string) bool { return len(l) == 0 || len(l) == 1 && l[0] == "" })
}

// Escape is for whoever writes the service's configuration.
func TestEscapeIsWhatIsSent(t *testing.T) {
	for _, list := range [][]string{{"a_b", "*"}, {strings.Repeat("y", 257)}, {""}, {"", ""}, slices.Repeat([]string{"abc"}, 400)} {
		assert.Equal(t, "d_limit_l_header:x_"+rls.Escape(list...)+"_", values(t, [][]string{list}))
	}
	assert.Equal(t, "a%5Fb,%2A", rls.Escape("a_b", "*"))
	assert.Equal(t, strings.Repeat("y", 256), rls.Escape(strings.Repeat("y", 256)))
	assert.Regexp(t, "^%sha256:[0-9a-f]{64}$", rls.Escape(strings.Repeat("y", 257)))
}
