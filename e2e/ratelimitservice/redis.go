package ratelimitservice

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// Redis is a server that keeps counts in memory only. It listens on a socket
// in a folder of its own, where nobody else comes across it. Stop must be
// called.
type Redis struct {
	dir     string
	log     envoy.Log
	process *process
}

// StartRedis runs a server and returns when it answers. The context bounds the
// start only.
func StartRedis(ctx context.Context) (*Redis, error) {
	dir, err := os.MkdirTemp("", "palisade-redis-")
	if err != nil {
		return nil, fmt.Errorf("ratelimitservice: %w", err)
	}
	r := &Redis{dir: dir}
	if err := r.Restart(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

// Restart starts the server again, on the same socket and without any counts.
// One that still runs is killed first. Services keep connections to the one
// before, and fail as many calls as these are (10) before they connect anew.
func (r *Redis) Restart(ctx context.Context) error {
	r.Kill()
	binary, err := binary("REDIS_SERVER_PATH", "redis-path")
	if err != nil {
		return err
	}
	cmd := exec.Command(binary, "--port", "0", "--unixsocket", r.Socket(), "--unixsocketperm", "700",
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", r.dir)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = []string{}, r.dir, &r.log, &r.log
	before := r.log.Len()
	if r.process, err = startProcess(cmd); err != nil {
		return err
	}
	err = r.process.await(ctx, func() error {
		_, err := r.do(ctx, "PING")
		return err
	})
	if err != nil {
		return fmt.Errorf("ratelimitservice: Redis does not start: %w\n%s", err, r.log.String()[before:])
	}
	return nil
}

// Socket is where the server listens.
func (r *Redis) Socket() string { return filepath.Join(r.dir, "redis.sock") }

// Counts are all keys that the services have written, with their counts.
func (r *Redis) Counts(ctx context.Context) (map[string]int, error) {
	keys, err := r.do(ctx, "KEYS", "*")
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	values, err := r.do(ctx, append([]string{"MGET"}, keys...)...)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int, len(keys))
	for i, key := range keys {
		if counts[key], err = strconv.Atoi(values[i]); err != nil {
			return nil, fmt.Errorf("ratelimitservice: Redis: %s: %w", key, err)
		}
	}
	return counts, nil
}

// Log is what the server wrote.
func (r *Redis) Log() *envoy.Log { return &r.log }

// Kill ends the server at once; the counts are lost.
func (r *Redis) Kill() { r.process.kill() }

// Pause makes the server hang until Continue or Restart.
func (r *Redis) Pause() error { return r.process.pause() }

// Continue ends a Pause.
func (r *Redis) Continue() error { return r.process.resume() }

// Stop ends the server, waits until it is gone and removes its files.
func (r *Redis) Stop() error {
	r.Kill()
	if err := os.RemoveAll(r.dir); err != nil {
		return fmt.Errorf("ratelimitservice: %w", err)
	}
	return nil
}

// do sends one command and returns the strings of its reply.
func (r *Redis) do(ctx context.Context, command ...string) ([]string, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", r.Socket())
	if err != nil {
		return nil, fmt.Errorf("ratelimitservice: Redis: %w", err)
	}
	defer connection.Close()
	defer context.AfterFunc(ctx, func() { connection.Close() })()
	var request strings.Builder
	fmt.Fprintf(&request, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(connection, request.String()); err != nil {
		return nil, fmt.Errorf("ratelimitservice: Redis: %w", err)
	}
	reply, err := readReply(bufio.NewReader(connection))
	if err != nil {
		return nil, fmt.Errorf("ratelimitservice: Redis: %s: %w", command[0], err)
	}
	return reply, nil
}

// readReply reads a reply of the Redis serialization protocol, version 2: a
// line, a string of a given length, or an array of these.
func readReply(from *bufio.Reader) ([]string, error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '+', ':':
		return []string{rest}, nil
	case '$':
		size, err := strconv.Atoi(rest)
		if err != nil || size < 0 { // -1 is a key that is gone
			return []string{""}, err
		}
		text := make([]byte, size+len("\r\n"))
		_, err = io.ReadFull(from, text)
		return []string{string(text[:size])}, err
	case '*':
		count, err := strconv.Atoi(rest)
		if err != nil {
			return nil, err
		}
		var all []string
		for range count {
			one, err := readReply(from)
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		return all, nil
	}
	return nil, errors.New(strings.TrimSpace(line))
}
