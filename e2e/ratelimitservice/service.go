// Package ratelimitservice runs Envoy's rate limit service
// (github.com/envoyproxy/ratelimit) and its Redis, for tests of limits that
// several Envoys share. Each can be killed, paused and started again.
package ratelimitservice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// pollInterval is how often a starting process is asked whether it is ready.
const pollInterval = 25 * time.Millisecond

// Options say what a service limits. Redis and Config are required.
type Options struct {
	// Redis has the counts. Services with the same Redis count together.
	Redis *Redis
	// Config is the service's configuration of one domain, as YAML.
	Config string
	// Settings are the service's own environment variables, beside those that
	// Start sets. STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT=true is the one that
	// changes what counts: a request that one of its descriptors refuses is then
	// not charged to the others.
	Settings map[string]string
}

// Service is a rate limit service on loopback. Stop must be called.
type Service struct {
	dir     string
	env     []string
	grpc    *reservedPort
	http    *reservedPort
	log     envoy.Log
	process *process
}

// Start runs a service and returns when it answers. The context bounds the
// start only.
func Start(ctx context.Context, o Options) (*Service, error) {
	s := &Service{}
	if err := s.prepare(o); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := s.Restart(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Service) prepare(o Options) error {
	var err error
	if s.dir, err = os.MkdirTemp("", "palisade-ratelimit-"); err != nil {
		return fmt.Errorf("ratelimitservice: %w", err)
	}
	if s.grpc, err = reservePort(); err != nil {
		return err
	}
	if s.http, err = reservePort(); err != nil {
		return err
	}
	// The service reads $RUNTIME_ROOT/$RUNTIME_SUBDIRECTORY/config/*.yaml, and
	// would go through a symbolic link if it were to watch the root.
	config := filepath.Join(s.dir, "ratelimit", "config", "domain.yaml")
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		return fmt.Errorf("ratelimitservice: %w", err)
	}
	if err := os.WriteFile(config, []byte(o.Config), 0o600); err != nil {
		return fmt.Errorf("ratelimitservice: %w", err)
	}
	s.env = []string{
		"CONFIG_TYPE=FILE",
		"RUNTIME_ROOT=" + s.dir, "RUNTIME_SUBDIRECTORY=ratelimit", "RUNTIME_WATCH_ROOT=false",
		// A configuration that it does not understand is not waited for.
		"HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED=true",
		"BACKEND_TYPE=redis", "REDIS_TYPE=SINGLE", "REDIS_SOCKET_TYPE=unix", "REDIS_URL=" + o.Redis.Socket(),
		"GRPC_HOST=127.0.0.1", "GRPC_PORT=" + strconv.Itoa(s.grpc.number),
		"HOST=127.0.0.1", "PORT=" + strconv.Itoa(s.http.number),
		"DEBUG_HOST=127.0.0.1", "DEBUG_PORT=0",
		"DISABLE_STATS=true",
		// What it was asked and which key it counted under.
		"LOG_LEVEL=debug",
	}
	for name, value := range o.Settings {
		s.env = append(s.env, name+"="+value) // the last of a name counts
	}
	return nil
}

// Restart starts the service again, on the same port. One that still runs is
// killed first.
func (s *Service) Restart(ctx context.Context) error {
	s.Kill()
	binary, err := binary("RATELIMIT_SERVICE_PATH", "ratelimit-path")
	if err != nil {
		return err
	}
	// Nothing of this process's own environment may change a setting.
	cmd := exec.Command(binary)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = s.env, s.dir, &s.log, &s.log
	before := s.log.Len()
	if s.process, err = startProcess(cmd); err != nil {
		return err
	}
	err = s.process.await(ctx, func() error {
		if _, mistake, found := strings.Cut(s.log.String()[before:], "Error loading new configuration: "); found {
			return fmt.Errorf("%w: configuration: %s", errHopeless, mistake)
		}
		return s.healthy(ctx)
	})
	if err != nil {
		return fmt.Errorf("ratelimitservice: the service does not start: %w\n%s", err, s.log.String()[before:])
	}
	return nil
}

// healthy is nil when the service has a configuration and listens. It listens
// for gRPC and for HTTP in no particular order.
func (s *Service) healthy(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http.address()+"/healthcheck", http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("health check: " + response.Status)
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Address())
	if err != nil {
		return err
	}
	return connection.Close()
}

// Address is the host:port on which the service speaks gRPC, without TLS. It
// stays the same over Kill and Restart, and nobody else gets it meanwhile.
func (s *Service) Address() string { return s.grpc.address() }

// Port of Address.
func (s *Service) Port() int { return s.grpc.number }

// Cluster leads to the service.
func (s *Service) Cluster(name string) envoy.Cluster {
	return envoy.Cluster{Name: name, Host: "127.0.0.1", Port: s.Port(), HTTP2: true}
}

// Log is what the service wrote: what it was asked, and what it counted.
func (s *Service) Log() *envoy.Log { return &s.log }

// Kill ends the service at once. Connections to it are refused from then on.
func (s *Service) Kill() { s.process.kill() }

// Pause makes the service hang: connections to it are accepted by the kernel,
// and nothing is answered, until Continue or Restart.
func (s *Service) Pause() error { return s.process.pause() }

// Continue ends a Pause. What was asked meanwhile is answered now.
func (s *Service) Continue() error { return s.process.resume() }

// Stop ends the service, waits until it is gone and removes its files.
func (s *Service) Stop() error {
	s.Kill()
	s.grpc.release()
	s.http.release()
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("ratelimitservice: %w", err)
	}
	return nil
}
