package envoy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStartAndStop(t *testing.T) {
	upstream := StartUpstream()
	defer upstream.Stop()
	bootstrap, err := Bootstrap{
		Listeners: []Listener{{Name: "plain", Cluster: "upstream"}},
		Clusters:  []Cluster{upstream.Cluster("upstream")},
	}.String()
	require.NoError(t, err)

	// A context that ends right after the start must not end Envoy.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	e, err := Start(ctx, Options{Bootstrap: bootstrap, Concurrency: 2})
	require.NoError(t, err)
	defer func() { assert.NoError(t, e.Stop()) }()
	cancel()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.Listener("plain")+"/", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("x-request-id", "the-one")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.EqualValues(t, 1, upstream.Requests())

	entry, err := e.Entry(t.Context(), "the-one")
	require.NoError(t, err)
	assert.Equal(t, &Entry{RequestID: "the-one", Status: 200, Details: "via_upstream"}, entry)

	stats, err := e.Admin(t.Context(), http.MethodGet, "/stats?filter=server.concurrency")
	require.NoError(t, err)
	assert.Equal(t, "server.concurrency: 2", strings.TrimSpace(string(stats)))

	memory, err := e.Memory(t.Context())
	require.NoError(t, err)
	assert.Greater(t, memory.Allocated, 1<<20)
	assert.Greater(t, memory.Resident, memory.Allocated)

	require.NoError(t, e.Stop())
	require.NoError(t, e.Stop(), "a second time does nothing")
	assert.NoDirExists(t, e.dir)
	_, err = e.Admin(t.Context(), http.MethodGet, "/ready")
	assert.ErrorContains(t, err, "connection refused")
}

func TestStartRefused(t *testing.T) {
	_, err := Start(t.Context(), Options{Name: "broken", Bootstrap: "static_resources: {listener: []}"})
	var refused *RefusedError
	require.True(t, errors.As(err, &refused), "got %v", err)
	assert.Equal(t, "broken", refused.Name)
	assert.Contains(t, refused.Log, "listener")
}

func TestStartInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no time left"))
	_, err := Start(ctx, Options{Bootstrap: "{}"})
	assert.ErrorContains(t, err, "no time left")
}

func TestBinaryMissing(t *testing.T) {
	t.Setenv("ENVOY_PATH", "")
	_, err := Start(t.Context(), Options{})
	assert.ErrorContains(t, err, "make e2e")
	t.Setenv("ENVOY_PATH", "/nowhere/envoy")
	_, err = Start(t.Context(), Options{})
	assert.ErrorContains(t, err, "/nowhere/envoy")
}

func TestWasmFileMissing(t *testing.T) {
	t.Setenv("PALISADE_BUILD_DIR", t.TempDir())
	_, err := WasmFile("jwt-filter")
	assert.ErrorContains(t, err, "make build")
}

func TestLogLine(t *testing.T) {
	var log Log
	go func() {
		for _, part := range []string{"one\ntw", "o words\nthree"} {
			time.Sleep(5 * time.Millisecond)
			_, _ = log.Write([]byte(part))
		}
	}()
	line, err := log.Line(t.Context(), "two")
	require.NoError(t, err)
	assert.Equal(t, "two words", line)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = log.Line(ctx, "three")
	assert.ErrorIs(t, err, context.DeadlineExceeded, "the line has no end yet")
}

func TestLogUntil(t *testing.T) {
	var log Log
	_, _ = log.Write([]byte("old\n"))
	from := log.Len()
	go func() {
		for _, part := range []string{"one\ntwo\nmark", "er\nafter", "\nmarker\n"} {
			time.Sleep(5 * time.Millisecond)
			_, _ = log.Write([]byte(part))
		}
	}()
	lines, from, err := log.Until(t.Context(), from, "marker")
	require.NoError(t, err)
	assert.Equal(t, "one\ntwo\n", lines)
	lines, from, err = log.Until(t.Context(), from, "marker")
	require.NoError(t, err)
	assert.Equal(t, "after\n", lines)
	assert.Equal(t, log.Len(), from)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err = log.Until(ctx, from, "marker")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}
