package envoy

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
)

// Log keeps what a process writes. It may be written and read at the same
// time.
type Log struct {
	mu      sync.Mutex
	buffer  bytes.Buffer
	changed chan struct{}
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return l.buffer.Write(p)
}

// String is everything written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// Len is how many bytes were written so far.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Len()
}

// Line waits for a complete line that contains substring and returns it.
func (l *Log) Line(ctx context.Context, substring string) (string, error) {
	for {
		text, changed := l.watch()
		for line := range strings.Lines(text) {
			if strings.HasSuffix(line, "\n") && strings.Contains(line, substring) {
				return strings.TrimSuffix(line, "\n"), nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("envoy: no log line contains %q: %w\n%s", substring, context.Cause(ctx), text)
		}
	}
}

// watch returns the text and a channel that is closed at the next write.
func (l *Log) watch() (string, <-chan struct{}) { return l.watchFrom(0) }

func (l *Log) watchFrom(n int) (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return string(l.buffer.Bytes()[n:]), l.changed
}

// Until waits for a complete line behind the first from bytes that contains substring. It returns the complete lines
// before it, and where the next line begins.
func (l *Log) Until(ctx context.Context, from int, substring string) (before string, next int, err error) {
	searched := from
	for {
		text, changed := l.watchFrom(searched)
		before += text
		searched += len(text)
		if at := strings.Index(before, substring); at >= 0 {
			if end := strings.IndexByte(before[at:], '\n'); end >= 0 {
				return before[:strings.LastIndexByte(before[:at], '\n')+1], from + at + end + 1, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", from, fmt.Errorf("envoy: no log line contains %q: %w\n%s", substring, context.Cause(ctx), before)
		}
	}
}
