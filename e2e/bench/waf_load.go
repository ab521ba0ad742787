package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/palisade-mesh/palisade/e2e/bench/traffic"
)

// answerTimeout is how long an answer may take.
const answerTimeout = 30 * time.Second

// feeder hands out requests, one after the other and over again.
type feeder struct {
	pool  []traffic.Request
	block int
	// refill, if there is one, is what comes in place of the pool when it is used up.
	refill func() []traffic.Request
	// mostWrong is how many wrong answers do not end a turn; they are kept.
	mostWrong int
	wrong     []error

	mu    sync.Mutex
	at    int // requests handed out ever
	start int // of them before this turn
	// The turn ends with the first whole block after enough requests and time.
	least    int
	deadline time.Time
}

// begin starts a turn.
func (f *feeder) begin(d time.Duration, least int) {
	f.start, f.least, f.deadline = f.at, least, time.Now().Add(d)
}

// next is nil when the turn is over.
func (f *feeder) next() *traffic.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.at - f.start
	if n > 0 && n >= f.least && n%f.block == 0 && time.Now().After(f.deadline) {
		return nil
	}
	if f.refill != nil && f.at > 0 && f.at%len(f.pool) == 0 {
		f.pool = f.refill()
	}
	f.at++
	return &f.pool[(f.at-1)%len(f.pool)]
}

// tolerates keeps a wrong answer if there may be one more.
func (f *feeder) tolerates(err error) bool {
	var wrong *wrongAnswer
	if !errors.As(err, &wrong) || wrong.status != http.StatusOK && wrong.status != http.StatusForbidden {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = append(f.wrong, err)
	return len(f.wrong) <= f.mostWrong
}

// wrongAnswer is one with another status than expected.
type wrongAnswer struct {
	request *traffic.Request
	status  int
	body    string
}

func (e *wrongAnswer) Error() string {
	wire := e.request.Wire
	// What of the request fits on a screen.
	return fmt.Sprintf("%s is answered with %d, not %d: %s\n%s", e.request.Name, e.status, e.request.Status, e.body,
		strings.ToValidUTF8(string(wire[:min(len(wire), 4000)]), "?"))
}

// turnResult is what became of a turn.
type turnResult struct {
	latencies []time.Duration // sorted
	elapsed   time.Duration
}

func (t *turnResult) perSecond() float64 { return float64(len(t.latencies)) / t.elapsed.Seconds() }

// percentile is in microseconds.
func (t *turnResult) percentile(p float64) float64 {
	return float64(t.latencies[min(len(t.latencies)-1, int(p/100*float64(len(t.latencies))))].Nanoseconds()) / 1000
}

// drive sends the feeder's turn over so many connections. An answer with another status than expected is an error.
func drive(ctx context.Context, f *feeder, address string, connections int) (*turnResult, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	latencies := make([][]time.Duration, connections)
	begin := time.Now()
	for i := range connections {
		wg.Go(func() {
			c := connection{address: address}
			defer c.close()
			for ctx.Err() == nil {
				r := f.next()
				if r == nil {
					return
				}
				sent := time.Now()
				if err := c.expect(ctx, r); err != nil && !f.tolerates(err) {
					cancel(err)
					return
				}
				latencies[i] = append(latencies[i], time.Since(sent))
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	result := &turnResult{latencies: slices.Concat(latencies...), elapsed: time.Since(begin)}
	slices.Sort(result.latencies)
	return result, nil
}

// connection is opened when it is needed.
type connection struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

// expect sends a request, and fails unless the answer is the expected one.
func (c *connection) expect(ctx context.Context, r *traffic.Request) error {
	status, body, err := c.exchange(ctx, r.Wire)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	if status != r.Status {
		return &wrongAnswer{r, status, body}
	}
	return nil
}

// exchange returns the beginning of the body.
func (c *connection) exchange(ctx context.Context, wire []byte) (status int, body string, err error) {
	if c.conn == nil {
		if c.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", c.address); err != nil {
			return 0, "", err
		}
		c.reader = bufio.NewReader(c.conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, "", err
	}
	// Whoever refuses a request may do so, and close the connection, before all of it is written: what counts is the answer.
	_, writeErr := c.conn.Write(wire)
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.close()
		if writeErr != nil {
			err = writeErr
		}
		return 0, "", err
	}
	start, err := io.ReadAll(io.LimitReader(response.Body, 500))
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
	}
	response.Body.Close()
	if err != nil || response.Close || writeErr != nil {
		c.close()
	}
	return response.StatusCode, string(start), err
}

func (c *connection) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
