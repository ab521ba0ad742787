// Package openloop sends HTTP/1.1 requests at a steady rate, whatever becomes of them.
//
// When each request is due is fixed beforehand, and its latency counts from then, so a stall is felt by all requests that arrive
// during it, as users feel it. A client that waits for an answer before it sends its next request leaves those out ("coordinated
// omission").
package openloop

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// Load is what is sent. All fields are needed.
type Load struct {
	Address     string
	Request     []byte // as it is on the wire
	Status      int    // of the expected answer
	Rate        int    // requests per second
	Connections int    // which are how many requests can be under way
	Duration    time.Duration
}

// grace is how long after the load's end is waited for answers.
const grace = time.Second

// stall is from when on the load itself is late: what it does between two looks at its connections takes some 20 us.
const stall = time.Millisecond

// errNoConnection says that nothing is left to send on.
var errNoConnection = errors.New("openloop: all connections broke")

// Run returns when all requests are answered, or a second after the last one was due. It takes a whole CPU: a thread that sleeps
// wakes up too late.
func (l Load) Run(ctx context.Context) (*Result, error) {
	if l.Rate < 1 || l.Connections < 1 || l.Duration <= 0 {
		return nil, fmt.Errorf("openloop: %d requests/s on %d connections for %v: each must be above zero", l.Rate, l.Connections, l.Duration)
	}
	s, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	// Nothing below allocates, so no collection of garbage stops it either.
	runtime.GC()
	// In a goroutine of its own, as the caller's may be bound to a thread. Such a one is interrupted every 10 ms for the time of two
	// changes of threads.
	done := make(chan error)
	go func() { done <- s.run(ctx) }()
	if err := <-done; err != nil {
		return nil, err
	}
	return s.result, nil
}

// sender is a load under way. Its times are since start.
type sender struct {
	Load
	start  time.Time
	epoll  int
	conns  []*conn
	alive  int // connections that did not break
	idle   int // of them, those with no request under way
	sent   int // requests
	open   int // of them, those without an answer
	result *Result
}

func (l Load) dial(ctx context.Context) (*sender, error) {
	requests := int(int64(l.Rate) * int64(l.Duration) / int64(time.Second))
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("openloop: %w", err)
	}
	s := &sender{Load: l, epoll: epoll, result: newResult(l.Rate, requests)}
	for i := range l.Connections {
		c, err := dial(ctx, l.Address)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("openloop: %w", err)
		}
		s.conns = append(s.conns, c)
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, c.fd, &event); err != nil {
			s.close()
			return nil, fmt.Errorf("openloop: %w", err)
		}
	}
	s.alive, s.idle = len(s.conns), len(s.conns)
	return s, nil
}

func (s *sender) close() {
	for _, c := range s.conns {
		c.close()
	}
	_ = syscall.Close(s.epoll)
}

func (s *sender) run(ctx context.Context) error {
	s.start = time.Now()
	events := make([]syscall.EpollEvent, len(s.conns))
	last := time.Duration(0)
	for {
		now := time.Since(s.start)
		if now-last > stall {
			s.result.stalled(last, now)
		}
		last = now
		for s.sent < s.requests() && s.idle > 0 && s.result.due(s.sent) <= now {
			s.send()
		}
		switch {
		case s.open == 0 && s.sent == s.requests(), now > s.Duration+grace:
			s.result.end(now)
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.alive == 0:
			return errNoConnection
		}
		n, err := syscall.EpollWait(s.epoll, events, 0)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("openloop: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			s.receive(s.conns[e.Fd])
		}
	}
}

func (s *sender) requests() int { return len(s.result.Latencies) }

// send sends the next request on an idle connection: each has its turn.
func (s *sender) send() {
	at := s.sent
	for s.conns[at%len(s.conns)].request >= 0 || s.conns[at%len(s.conns)].broken {
		at++
	}
	c := s.conns[at%len(s.conns)]
	c.request = s.sent
	s.sent++
	s.open++
	s.idle--
	if err := c.write(s.Request); err != nil {
		s.lose(c)
	}
}

func (s *sender) receive(c *conn) {
	status, whole, err := c.read()
	switch {
	case err != nil:
		s.lose(c)
	case whole:
		s.answered(c)
		s.idle++
		if status != s.Status {
			s.result.failed("status %d, want %d", status, s.Status)
		}
	}
}

// lose takes leave of a connection that broke, and of the request on it.
func (s *sender) lose(c *conn) {
	if c.broken {
		return
	}
	if c.request >= 0 {
		s.answered(c)
	} else {
		s.idle--
	}
	s.result.failed("a connection broke")
	c.broken = true
	s.alive--
	_ = syscall.EpollCtl(s.epoll, syscall.EPOLL_CTL_DEL, c.fd, nil)
}

func (s *sender) answered(c *conn) {
	s.result.Latencies[c.request] = time.Since(s.start) - s.result.due(c.request)
	c.request = -1
	s.open--
}
