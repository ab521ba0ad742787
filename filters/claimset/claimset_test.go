package claimset_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/request"
)

type values []string

func (v *values) Add(text string) { *v = append(*v, strings.Clone(text)) } // it may be the request's

// read is what a Reader gives of a claim of a request that comes with such claims.
func read(t *testing.T, c *claimset.Reader, published string, path ...string) (found []string, principal string) {
	t.Helper()
	h := &hosttest.Host{}
	h.NextRequest([][2]string{{":method", "GET"}, {":path", "/"}}, map[string]string{claims.Property: published})
	r, err := request.Load(h)
	require.NoError(t, err)
	sets := c.Read(r)
	require.NoError(t, sets.Err)
	var all values
	for i := range sets.List {
		require.NoError(t, sets.List[i].Values(path, &all))
	}
	h.NextRequest(nil, nil) // which uses the memory of the request again
	return all, sets.Principal()
}

// A claim is what it is when it is seen first, when it was seen before, and when there are more than are kept.
func TestClaims(t *testing.T) {
	c := claimset.NewReader(claimset.Config{})
	for _, more := range []int{0, 3, 62, 63, 64, 65, 3000} {
		payload := map[string]any{"iss": "https://idp.example", "sub": fmt.Sprint("alice", more)}
		for i := range more {
			payload[fmt.Sprint("claim", i)] = i
		}
		payload["zone"] = map[string]any{"name": "eu", "racks": []string{"a", "b"}}
		payload["a.b"] = "dots"
		text, err := json.Marshal(map[string]any{"corp": payload})
		require.NoError(t, err)
		for range 3 {
			for _, want := range []struct {
				path   []string
				values []string
			}{
				{[]string{"sub"}, []string{fmt.Sprint("alice", more)}},
				{[]string{"zone", "name"}, []string{"eu"}},
				{[]string{"zone", "racks"}, []string{"a", "b"}},
				{[]string{"a.b"}, []string{"dots"}},
				{[]string{"a", "b"}, nil},
				{[]string{"zone", "nothing"}, nil},
				{[]string{"sub", "name"}, nil},
				{[]string{"nothing"}, nil},
				{[]string{""}, nil},
			} {
				found, principal := read(t, c, string(text), want.path...)
				assert.Equal(t, want.values, found, "%d more: %q", more, want.path)
				assert.Equal(t, fmt.Sprint("https://idp.example/alice", more), principal)
			}
		}
	}
}

// Texts of one length that differ in one byte are different claims, wherever it is.
func TestClaimsAreToldApart(t *testing.T) {
	c := claimset.NewReader(claimset.Config{})
	for range 2 {
		for i := range 300 {
			text := []byte(`{"corp":{"sub":"` + fmt.Sprintf("%0300d", 0) + `"}}`)
			text[len(`{"corp":{"sub":"`)+i] = '1'
			found, _ := read(t, c, string(text), "sub")
			require.Equal(t, []string{string(text[16:316])}, found)
		}
	}
}

// memory is a host that leaves the claims of all requests in one place.
type memory struct {
	hosttest.Host
	text []byte
}

func (m *memory) RequestHeaders() ([][2]string, error)                    { return nil, nil }
func (m *memory) Property([]string) (value []byte, found bool, err error) { return m.text, true, nil }

func TestClaimsOutliveTheirRequest(t *testing.T) {
	const room = 300
	c, m := claimset.NewReader(claimset.Config{}), &memory{}
	for size := range 2 * room {
		size %= room
		m.text = append(m.text[:0], `{"corp":{"sub":"`+strings.Repeat("x", size)+`","fill":"`+strings.Repeat("y", room-size)+`"}}`...)
		r, err := request.Load(m)
		require.NoError(t, err)
		sets := c.Read(r)
		require.NoError(t, sets.Err)
		require.Len(t, sets.List, 1)
		var found values
		require.NoError(t, sets.List[0].Values([]string{"sub"}, &found))
		require.Equal(t, values{strings.Repeat("x", size)}, found)
	}
}

func TestTokensOfTwoProviders(t *testing.T) {
	c := claimset.NewReader(claimset.Config{})
	for range 2 {
		found, principal := read(t, c, `{"a":{"sub":"x"},"b":{"sub":"y","iss":"i"}}`, "sub")
		assert.Equal(t, []string{"x", "y"}, found)
		assert.Equal(t, "i/y", principal)
	}
}
