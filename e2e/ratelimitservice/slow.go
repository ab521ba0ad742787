package ratelimitservice

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Slow is a way to a server on which all that the server sends takes its time.
// Unlike a paused server, a slow one answers. Stop must be called.
type Slow struct {
	target   string
	delay    time.Duration
	listener net.Listener
	running  sync.WaitGroup
	stopped  chan struct{}
}

// StartSlow listens on loopback, and leads to the host:port of a server.
func StartSlow(target string, delay time.Duration) (*Slow, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("ratelimitservice: %w", err)
	}
	s := &Slow{target: target, delay: delay, listener: listener, stopped: make(chan struct{})}
	s.running.Go(s.accept)
	return s, nil
}

// Address is the host:port of the slow way.
func (s *Slow) Address() string { return s.listener.Addr().String() }

// Port of Address.
func (s *Slow) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Stop ends all connections.
func (s *Slow) Stop() {
	close(s.stopped)
	s.listener.Close()
	s.running.Wait()
}

func (s *Slow) accept() {
	for {
		client, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.running.Go(func() { s.serve(client) })
	}
}

// serve passes on what both sides send until one of them is done.
func (s *Slow) serve(client net.Conn) {
	server, err := net.Dial("tcp", s.target)
	if err != nil {
		client.Close()
		return
	}
	var once sync.Once
	done := make(chan struct{})
	end := func() { once.Do(func() { close(done) }) }
	s.running.Go(func() {
		defer end()
		_, _ = io.Copy(server, client)
	})
	s.running.Go(func() {
		defer end()
		s.copySlowly(client, server, done)
	})
	select {
	case <-done:
	case <-s.stopped:
		end()
	}
	client.Close()
	server.Close()
}

// chunk is what was read at once, and when it may be written.
type chunk struct {
	data []byte
	due  time.Time
}

// copySlowly reads on while earlier chunks wait, so that a delay does not add
// to the next one's.
func (s *Slow) copySlowly(to io.Writer, from io.Reader, done <-chan struct{}) {
	waiting := make(chan chunk, 1024)
	s.running.Go(func() {
		defer close(waiting)
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			select {
			case waiting <- chunk{append([]byte(nil), buffer[:n]...), time.Now().Add(s.delay)}:
			case <-done:
				return
			}
		}
	})
	for c := range waiting {
		select {
		case <-time.After(time.Until(c.due)):
		case <-done:
			return
		}
		if _, err := to.Write(c.data); err != nil {
			return
		}
	}
}
