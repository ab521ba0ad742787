package openloop

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const wire = "GET /records/1 HTTP/1.1\r\nhost: database\r\n\r\n"

// serve answers by a handler.
func serve(t *testing.T, handler http.HandlerFunc) Load {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return Load{
		Address: strings.TrimPrefix(server.URL, "http://"), Request: []byte(wire), Status: http.StatusOK,
		Rate: 1000, Connections: 4, Duration: 200 * time.Millisecond,
	}
}

func TestSteady(t *testing.T) {
	var asked atomic.Int64
	var clients sync.Map
	l := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "database" && r.URL.Path == "/records/1" {
			asked.Add(1)
		}
		clients.Store(r.RemoteAddr, true)
		_, _ = w.Write([]byte("ok"))
	})
	result, err := l.Run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 200, asked.Load())
	assert.Len(t, result.Latencies, 200)
	assert.Equal(t, 200, result.Answered())
	assert.Zero(t, result.Failed)
	for _, latency := range result.Latencies {
		assert.Positive(t, latency)
	}
	used := 0
	clients.Range(func(any, any) bool { used++; return true })
	assert.Equal(t, 4, used, "each connection has its turn")
}

// A server that stands still keeps back what is due meanwhile, and that counts from when it was due.
func TestStandstill(t *testing.T) {
	var asked atomic.Int64
	l := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			time.Sleep(100 * time.Millisecond)
		}
	})
	l.Connections = 1
	result, err := l.Run(t.Context())
	require.NoError(t, err)
	require.Zero(t, result.Unanswered)
	for _, request := range []int{0, 20, 40, 60} {
		due := time.Duration(request) * time.Millisecond
		assert.GreaterOrEqual(t, result.Latencies[request], 100*time.Millisecond-due, "request %d", request)
	}
	pauses := result.Pauses(10 * time.Millisecond)
	require.NotEmpty(t, pauses)
	assert.Zero(t, pauses[0].From)
	assert.GreaterOrEqual(t, pauses[0].Longest, 100*time.Millisecond)
}

// One request that waits does not keep back those on other connections, and its latency is its own.
func TestSlowRequest(t *testing.T) {
	var asked atomic.Int64
	l := serve(t, func(http.ResponseWriter, *http.Request) {
		if asked.Add(1) == 1 {
			time.Sleep(100 * time.Millisecond)
		}
	})
	result, err := l.Run(t.Context())
	require.NoError(t, err)
	assert.Zero(t, result.Unanswered)
	assert.GreaterOrEqual(t, slices.Max(result.Latencies[:4]), 96*time.Millisecond)
}

func TestNoAnswer(t *testing.T) {
	release := make(chan struct{})
	l := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	l.Rate = 100
	result, err := l.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 20, result.Unanswered)
	assert.Zero(t, result.Answered())
	assert.GreaterOrEqual(t, result.Latencies[0], l.Duration+grace)
	assert.GreaterOrEqual(t, result.Latencies[19], grace)
}

func TestWrongStatus(t *testing.T) {
	var asked atomic.Int64
	l := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	result, err := l.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 100, result.Failed)
	assert.Equal(t, "status 403, want 200", result.Why)
}

func TestBrokenConnections(t *testing.T) {
	var asked atomic.Int64
	l := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			w.Header().Set("Connection", "close")
		}
	})
	result, err := l.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, result.Failed)
	assert.Equal(t, "a connection broke", result.Why)
	assert.Zero(t, result.Unanswered)

	l = serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err = l.Run(t.Context())
	assert.ErrorIs(t, err, errNoConnection)
}

func TestRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener.Close()
	l := Load{Address: listener.Addr().String(), Request: []byte(wire), Status: 200, Rate: 1, Connections: 1, Duration: time.Second}
	_, err = l.Run(t.Context())
	assert.ErrorContains(t, err, "connection refused")
	l.Rate = 0
	_, err = l.Run(t.Context())
	assert.ErrorContains(t, err, "0 requests/s")
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := serve(t, func(http.ResponseWriter, *http.Request) { cancel() })
	l.Duration = time.Hour
	l.Rate = 10
	_, err := l.Run(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		status int
		whole  bool
		err    string
	}{
		"whole":            {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, true, ""},
		"another case":     {"HTTP/1.1 429 Too Many\r\nserver: x\r\nContent-Length:  0\r\n\r\n", 429, true, ""},
		"half a head":      {"HTTP/1.1 200 OK\r\ncontent-le", 0, false, ""},
		"half a body":      {"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok", 200, false, ""},
		"no length":        {"HTTP/1.1 200 OK\r\n\r\n", 0, false, "no content-length"},
		"not a length":     {"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", 200, false, "invalid syntax"},
		"two answers":      {"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP", 200, false, "nobody asked for"},
		"another protocol": {"SSH-2.0-OpenSSH_9\r\n\r\n", 0, false, "not an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			status, whole, err := parse([]byte(c.answer))
			if c.err != "" {
				assert.ErrorContains(t, err, c.err)
			} else {
				assert.NoError(t, err)
			}
			assert.Equal(t, c.whole, whole)
			assert.Equal(t, c.status, status)
		})
	}
}
