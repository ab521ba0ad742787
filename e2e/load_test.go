package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// load sends requests without pause on several connections, and holds each
// answer against what the configuration, which changes meanwhile, must say.
type load struct {
	address string
	paths   []string
	// allows says what a configuration, counted from 0, must do.
	allows func(config int, path string) bool
	// epoch is twice the number of the configuration in force, and odd while
	// Envoy is changing to the next: then both are right.
	epoch   atomic.Int64
	answers atomic.Int64
	dials   atomic.Int64
	// limited is a path that has a limit: 200 and 429 are both right, and
	// counted. "": there is none.
	limited           string
	admitted, refused atomic.Int64

	done chan struct{}
	wait sync.WaitGroup
	mu   sync.Mutex
	err  error // the first
}

const loadConnections = 8

func startLoad(t *testing.T, l *load) {
	t.Helper()
	l.done = make(chan struct{})
	for i := range loadConnections {
		l.wait.Go(func() { l.run(i) })
	}
	t.Cleanup(l.stop)
}

func (l *load) stop() {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	l.wait.Wait()
}

// finish ends the load. No answer may have been wrong.
func (l *load) finish(t *testing.T) {
	t.Helper()
	l.stop()
	require.NoError(t, l.err)
}

// more waits for as many answers again, on all connections together.
func (l *load) more(t *testing.T, answers int64) {
	t.Helper()
	until := l.answers.Load() + answers
	require.Eventually(t, func() bool { return l.failed() || l.answers.Load() >= until }, 30*time.Second, time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	require.NoError(t, l.err)
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

func (l *load) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}

func (l *load) run(offset int) {
	for i := offset; ; {
		conn, err := net.Dial("tcp", l.address)
		if err != nil {
			l.fail(err)
			return
		}
		l.dials.Add(1)
		again := l.converse(conn, &i)
		_ = conn.Close()
		if !again {
			return
		}
	}
}

// converse sends requests on a connection until Envoy says that it will close
// it, and then returns true.
func (l *load) converse(conn net.Conn, i *int) bool {
	dialed := l.epoch.Load()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	reader := bufio.NewReader(conn)
	for {
		select {
		case <-l.done:
			return false
		default:
		}
		path := l.paths[*i%len(l.paths)]
		*i++
		sent := l.epoch.Load()
		status, closing, err := exchange(conn, reader, path)
		if err != nil {
			// Also a connection that was closed without notice: who has just
			// sent a request on it cannot know whether it was acted on.
			l.fail(fmt.Errorf("GET %s: %w", path, err))
			return false
		}
		received := l.epoch.Load()
		from := sent
		if closing {
			// A listener that is on its way out may decide, once more, as it
			// did when the connection came.
			from = dialed
		}
		if !l.right(status, path, from, received) {
			l.fail(fmt.Errorf("GET %s: status %d, sent in epoch %d, received in %d, closing %t", path, status, sent, received, closing))
			return false
		}
		l.answers.Add(1)
		if closing {
			return true
		}
	}
}

func (l *load) right(status int, path string, from, to int64) bool {
	switch {
	case path != l.limited:
	case status == http.StatusOK:
		l.admitted.Add(1)
		return true
	default:
		l.refused.Add(1)
		return status == http.StatusTooManyRequests
	}
	for config := from / 2; config <= (to+1)/2; config++ {
		want := http.StatusForbidden
		if l.allows(int(config), path) {
			want = http.StatusOK
		}
		if status == want {
			return true
		}
	}
	return false
}

// exchange sends a request and reads the answer; closing is whether it is the
// last on this connection.
func exchange(conn net.Conn, reader *bufio.Reader, path string) (status int, closing bool, err error) {
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nhost: database\r\n\r\n", path); err != nil {
		return 0, false, err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return 0, false, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Close, err
}
