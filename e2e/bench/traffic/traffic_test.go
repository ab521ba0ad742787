package traffic

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, r Request) (*http.Request, []byte) {
	t.Helper()
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.Wire)))
	require.NoError(t, err, r.Name)
	body, err := io.ReadAll(request.Body)
	require.NoError(t, err, r.Name)
	require.EqualValues(t, max(request.ContentLength, 0), len(body), r.Name)
	return request, body
}

// Each request is HTTP, is of the size that its scenario says, and is like no other.
func TestPools(t *testing.T) {
	sizes := map[string][2]int{
		"get": {0, 0}, "get-20-args": {0, 0}, "json-1k": {850, 1300}, "json-10k": {9_000, 11_000}, "form-10k": {9_500, 11_500},
		"upload-100k": {100_000, 102_000}, "attacks": {0, 1000}, "mixed": {0, 102_000},
	}
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			size, known := sizes[s.Name]
			require.True(t, known)
			pool := s.Pool()
			require.Zero(t, len(pool)%s.Block, "a pool has whole blocks")
			distinct := map[string]bool{}
			attacked := 0
			for _, r := range pool {
				distinct[string(r.Wire)] = true
				request, body := parse(t, r)
				require.True(t, len(body) >= size[0] && len(body) <= size[1], "%s: %d bytes", r.Name, len(body))
				if s.Name == "get-20-args" {
					require.Len(t, request.URL.Query(), 20)
				}
				if r.Status == http.StatusForbidden {
					attacked++
				}
			}
			// Of some attacks there are only so many; none is as frequent as a request that is sent over and over.
			assert.Greater(t, len(distinct), len(pool)*9/10)
			share := map[string]int{"attacks": len(pool), "mixed": len(pool) / 20}[s.Name]
			assert.Equal(t, share, attacked)
		})
	}
}

// Runs of different days are comparable.
func TestPoolIsAlwaysTheSame(t *testing.T) {
	for _, s := range Scenarios() {
		if s.size > 2000 { // the others are made in the same way
			first := s.Pool()
			assert.Equal(t, first[:50], s.Pool()[:50], s.Name)
			assert.NotEqual(t, first[0].Wire, s.Part(1)[0].Wire, s.Name)
		}
	}
}

func TestOrderHas34Values(t *testing.T) {
	var count func(any) int
	count = func(node any) (n int) {
		switch node := node.(type) {
		case map[string]any:
			for _, child := range node {
				n += count(child)
			}
		case []any:
			for _, child := range node {
				n += count(child)
			}
		default:
			return 1
		}
		return n
	}
	for _, s := range Scenarios() {
		if s.Name != "json-1k" {
			continue
		}
		_, body := parse(t, s.Pool()[0])
		var document any
		require.NoError(t, json.Unmarshal(body, &document))
		assert.Equal(t, 34, count(document))
		return
	}
	assert.Fail(t, "no such scenario")
}

// Of every kind in the mix there are some, one in twenty of them an attack.
func TestMix(t *testing.T) {
	counts := map[int]int{}
	for _, kind := range mix {
		counts[kind]++
	}
	kinds := Scenarios()
	for i, s := range kinds[:len(kinds)-1] {
		assert.Positive(t, counts[i], s.Name)
		if s.Name == "attacks" {
			assert.Equal(t, 1, counts[i])
		}
	}
	assert.Equal(t, "mixed", kinds[len(kinds)-1].Name)
	assert.False(t, strings.Contains(kinds[0].Name, "attack"))
}
