package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// updateRounds is how often each filter gets other policies, and the time of it counts.
	updateRounds = 10
	// updatePolicies is how many these are.
	updatePolicies = 1000
	// updateLimit is how long they may take to be in force.
	updateLimit = 10 * time.Second
)

// update is how long it takes from giving Envoy other policies to the first request that its worker decides by them.
type update struct {
	Name    string    `json:"name"`
	Seconds spread    `json:"seconds"`
	Added   spread    `json:"added"` // above the first one's of the same round
	Rounds  []float64 `json:"secondsByRound"`
}

// updating is a filter that gets other policies, and a request that the last of them allows.
type updating struct {
	name    string
	filter  func([]service) filter
	request request
}

// updates begin with what the others are compared with.
func updates() []updating {
	services := numbered(updatePolicies)
	r := last(services)
	token := r
	token.Headers = withToken(jose.RS256).Headers
	return []updating{
		{fmt.Sprintf("rbac-%d", updatePolicies), rbac, r},
		{fmt.Sprintf("authz-%d", updatePolicies), authz, r},
		{fmt.Sprintf("palisade-%d", updatePolicies), func(s []service) filter {
			return palisade(s, object{}, limit("claim", endless, "claim:sub"))
		}, token},
	}
}

// chosenUpdates is empty if nothing but what others are compared with is wanted.
func chosenUpdates(wanted *regexp.Regexp) []updating {
	all := updates()
	some := []updating{all[0]}
	for _, u := range all[1:] {
		if wanted.MatchString(u.name) {
			some = append(some, u)
		}
	}
	if len(some) == 1 {
		return nil
	}
	return some
}

// versions are the services whose policies Envoy gets in turns. The request is allowed by the first, not by the second.
func versions() [2][]service {
	allowed, denied := numbered(updatePolicies), numbered(updatePolicies)
	denied[updatePolicies-1].Path += "-elsewhere"
	return [2][]service{allowed, denied}
}

// statuses are how the request is answered by each of the versions.
var statuses = [2]int{http.StatusOK, http.StatusForbidden}

// runUpdates takes turns as bench.measure does. The Envoys have all CPUs.
func runUpdates(ctx context.Context, dir string, all []updating) ([]update, error) {
	if len(all) == 0 {
		return nil, nil
	}
	var updaters []*updater
	for _, u := range all {
		e, err := startUpdater(ctx, dir, u)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.name, err)
		}
		defer e.proxy.stop()
		updaters = append(updaters, e)
	}
	rounds := make([][]float64, len(all))
	for round := range updateRounds + 1 {
		progress("updates, round %d of %d, ms:", round, updateRounds)
		for i, e := range updaters {
			took, err := e.update(ctx, 1-round%2)
			if err != nil {
				return nil, fmt.Errorf("%s: %w; see %s", e.name, err, e.proxy.log)
			}
			progress(" %s %.1f", e.name, 1000*took.Seconds())
			if round > 0 { // the first warms up
				rounds[i] = append(rounds[i], took.Seconds())
			}
		}
		progress("\n")
	}
	return newUpdates(all, rounds), nil
}

func newUpdates(all []updating, rounds [][]float64) []update {
	results := make([]update, len(all))
	for i, u := range all {
		results[i] = update{
			Name: u.name, Rounds: rounds[i], Seconds: newSpread(rounds[i]), Added: newSpread(minus(rounds[i], rounds[0])),
		}
	}
	return results
}

// updater is an Envoy that reads a filter's configuration from a file, and again whenever another one takes its place.
type updater struct {
	updating
	proxy *proxy
	file  string
	texts [2]string // of the file, by version
}

// startUpdater starts with the first version.
func startUpdater(ctx context.Context, dir string, u updating) (*updater, error) {
	e := &updater{updating: u, file: filepath.Join(dir, u.name+".ecds.json")}
	var config string
	for i, services := range versions() {
		rendered, err := u.filter(services)()
		if err != nil {
			return nil, err
		}
		if i == 0 {
			if config, err = bootstrap([]filter{discovered(e.file, rendered)}); err != nil {
				return nil, err
			}
		}
		e.texts[i] = discovery(rendered)
	}
	if err := e.write(0); err != nil {
		return nil, err
	}
	if err := os.Rename(e.next(), e.file); err != nil {
		return nil, err
	}
	progress("starting %s\n", u.name)
	var err error
	if e.proxy, err = startProxy(ctx, dir, u.name, config, 1); err != nil {
		return nil, err
	}
	if err := e.proxy.ask(ctx, u.request, statuses[0]); err != nil {
		e.proxy.stop()
		return nil, err
	}
	return e, nil
}

func (e *updater) write(version int) error {
	return os.WriteFile(e.next(), []byte(e.texts[version]), 0o600)
}

func (e *updater) next() string { return e.file + ".next" }

// update has the file replaced, which is what Envoy waits for, and asks until the answer is the other one.
func (e *updater) update(ctx context.Context, version int) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, updateLimit, fmt.Errorf("other policies are not in force after %v", updateLimit))
	defer cancel()
	if err := e.write(version); err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := os.Rename(e.next(), e.file); err != nil {
		return 0, err
	}
	for {
		status, body, err := get(ctx, "http://"+e.proxy.address+e.request.Path, e.request)
		switch {
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		case err != nil:
			return 0, err
		case status == statuses[version]:
			return time.Since(begin), nil
		case status != statuses[1-version]:
			return 0, fmt.Errorf("status %d, want %d or %d: %s", status, statuses[0], statuses[1], body)
		}
	}
}

// discovered is a filter in whose place Envoy takes what is in the file (ECDS).
func discovered(file string, rendered object) filter {
	return func() (object, error) {
		return object{"name": rendered["name"], "config_discovery": object{
			"config_source": object{"path_config_source": object{"path": file}, "resource_api_version": "V3"},
			"type_urls":     list{rendered["typed_config"].(object)["@type"]},
		}}, nil
	}
}

// discovery is such a file.
func discovery(rendered object) string {
	return compact(object{"resources": list{object{
		"@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
		"name":  rendered["name"], "typed_config": rendered["typed_config"],
	}}})
}

func (r *report) writeUpdates(b *strings.Builder) {
	fmt.Fprintf(b, "\nOther policies, %d of them, by ECDS from a file: until the worker decides by them. Medians (least to most) of %d times.\n\n",
		updatePolicies, updateRounds)
	fmt.Fprintf(b, "| update | ms | more than %s |\n", r.Updates[0].Name)
	fmt.Fprintln(b, "| --- | ---: | ---: |")
	for i, u := range r.Updates {
		added := u.Added.times(1000).format()
		if i == 0 {
			added = ""
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", u.Name, u.Seconds.times(1000).format(), added)
	}
}
