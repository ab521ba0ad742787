// Package mesh is a small service mesh on loopback, made of real processes:
//
//	internet -> gateway -> frontend -> backend -> database
//
// The gateway is an Envoy; the three services are applications with an Envoy
// beside each. Between Envoys there is mutual TLS with SPIFFE identities of a
// throw-away authority. An identity provider issues the users' tokens.
package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// What the mesh is made of, from the internet inwards.
const (
	Gateway  = "gateway"
	Frontend = "frontend"
	Backend  = "backend"
	Database = "database"
)

// Names that the policies rely on.
const (
	TrustDomain = "example.org"
	Issuer      = "https://idp.example"
	Audience    = "records"
)

// Workloads lists all workloads, from the internet inwards.
var Workloads = []string{Gateway, Frontend, Backend, Database}

// ID is a workload's SPIFFE ID.
func ID(workload string) string {
	namespace := "shop"
	if workload == Gateway {
		namespace = "edge"
	}
	return "spiffe://" + TrustDomain + "/ns/" + namespace + "/sa/" + workload
}

// Mesh is a running mesh. Stop must be called.
type Mesh struct {
	// Dir holds certificates, keys and Envoy's configurations.
	Dir string
	*Identities
	processes map[string]*process
	envoys    map[string]*envoy.Envoy
}

// Start returns when every part of the mesh serves. The context bounds the
// start only.
func Start(ctx context.Context) (*Mesh, error) {
	m := &Mesh{processes: map[string]*process{}, envoys: map[string]*envoy.Envoy{}}
	if err := m.start(ctx); err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

func (m *Mesh) start(ctx context.Context) error {
	var err error
	if m.Dir, err = os.MkdirTemp("", "palisade-mesh-"); err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	if m.Identities, err = IssueIdentities(m.Dir); err != nil {
		return err
	}
	for _, role := range []string{roleIdP, Frontend, Backend, Database} {
		if m.processes[role], err = startProcess(role); err != nil {
			delete(m.processes, role)
			return err
		}
	}
	jwt, err := filterConfig("jwt")
	if err != nil {
		return err
	}
	// From the inside out: an Envoy must know where the next one listens.
	for i := len(Workloads) - 1; i >= 0; i-- {
		next := ""
		if i+1 < len(Workloads) {
			next = Workloads[i+1]
		}
		if err := m.startEnvoy(ctx, Workloads[i], next, jwt); err != nil {
			return err
		}
	}
	return nil
}

// startEnvoy starts a workload's Envoy, and tells the workload's application
// how to reach the next one through it.
func (m *Mesh) startEnvoy(ctx context.Context, workload, next, jwt string) error {
	bootstrap, err := m.bootstrap(workload, next, jwt)
	if err != nil {
		return err
	}
	e, err := envoy.Start(ctx, envoy.Options{Name: workload, Bootstrap: bootstrap, Dir: m.Dir})
	if err != nil {
		return err
	}
	m.envoys[workload] = e
	if app := m.processes[workload]; app != nil && next != "" {
		if err := app.setNext(e.Listener("outbound")); err != nil {
			return fmt.Errorf("mesh: %s: %w", workload, err)
		}
	}
	return nil
}

func (m *Mesh) bootstrap(workload, next, jwt string) (string, error) {
	authz, err := filterConfig("authz-" + workload)
	if err != nil {
		return "", err
	}
	inbound := envoy.Listener{
		Name:    "inbound",
		TLS:     &envoy.ServerTLS{Files: m.files[workload], RequireClientCertificate: true},
		Cluster: "application",
		Filters: []envoy.Wasm{
			{Name: "jwt-filter", Config: jwt},
			{Name: "authz-filter", Config: authz},
		},
	}
	outbound := envoy.Listener{Name: "outbound", Cluster: "next"}
	if workload == Gateway {
		// The gateway has no application: what it admits goes straight on.
		inbound.TLS = &envoy.ServerTLS{Files: m.files[internet]}
		inbound.Cluster = "next"
		limits, err := filterConfig("ratelimit-gateway")
		if err != nil {
			return "", err
		}
		inbound.Filters = slices.Insert(inbound.Filters, 1, envoy.Wasm{Name: "ratelimit-filter", Config: limits})
	}

	keys, err := upstream("idp", m.IdPAddress())
	if err != nil {
		return "", err
	}
	bootstrap := envoy.Bootstrap{Listeners: []envoy.Listener{inbound}, Clusters: []envoy.Cluster{keys}}
	if app := m.processes[workload]; app != nil {
		cluster, err := upstream("application", app.address)
		if err != nil {
			return "", err
		}
		bootstrap.Clusters = append(bootstrap.Clusters, cluster)
	}
	if next != "" {
		cluster, err := upstream("next", m.Address(next))
		if err != nil {
			return "", err
		}
		cluster.TLS = &envoy.ClientTLS{Files: m.files[workload], ServerID: ID(next)}
		bootstrap.Clusters = append(bootstrap.Clusters, cluster)
		bootstrap.Listeners = append(bootstrap.Listeners, outbound)
	}
	return bootstrap.String()
}

func upstream(name, address string) (envoy.Cluster, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return envoy.Cluster{}, fmt.Errorf("mesh: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return envoy.Cluster{}, fmt.Errorf("mesh: %w", err)
	}
	return envoy.Cluster{Name: name, Host: host, Port: port}, nil
}

// Address is where a workload's Envoy takes requests from others.
func (m *Mesh) Address(workload string) string { return m.envoys[workload].Listener("inbound") }

// Envoy is a workload's proxy.
func (m *Mesh) Envoy(workload string) *envoy.Envoy { return m.envoys[workload] }

// Stop ends all processes, waits for them and removes all files.
func (m *Mesh) Stop() error {
	var errs []error
	for _, e := range m.envoys {
		errs = append(errs, e.Stop())
	}
	for _, p := range m.processes {
		p.stop()
	}
	if m.Dir != "" {
		errs = append(errs, os.RemoveAll(m.Dir))
	}
	return errors.Join(errs...)
}
