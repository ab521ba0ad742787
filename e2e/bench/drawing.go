package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/palisade-mesh/palisade/e2e/bench/picture"
)

// drawn is a scenario in the picture, with what is said of it there.
type drawn struct {
	name, label string
	kind        picture.Kind
}

// drawnScenarios are those of a token, policies and a limit, and what gives an idea of them.
var drawnScenarios = []drawn{
	{"native-row", "native filters, token not cached", picture.Theirs},
	{"native-row-cached", "native filters, cached", picture.Theirs},
	{"row-cached", "jwt-, authz- and ratelimit-filter", picture.Ours},
	{"palisade-cached", "palisade-filter", picture.Ours},
	{"palisade-cached-10000", "palisade-filter, 10,000 policies", picture.Ours},
	{"empty", "a Wasm filter that does nothing", picture.Scale},
}

// drawnReferences are what the bars are compared with, and how that is said.
var drawnReferences = []struct{ name, label string }{
	{"native-row-cached", "× native cached"},
	{"native-row", "× not cached"},
	{"palisade-cached", "× 20 policies"},
}

// writePicture writes none if there is nothing to compare in it.
func writePicture(r *report, file string) error {
	if !slices.ContainsFunc(r.Scenarios, func(s row) bool {
		return slices.ContainsFunc(drawnScenarios, func(d drawn) bool { return d.name == s.Name && d.kind != picture.Scale })
	}) {
		return nil
	}
	if err := os.WriteFile(file, []byte(r.chart().SVG()), 0o644); err != nil {
		return err
	}
	progress("picture: %s\n", file)
	return nil
}

// chart shows what the rows add to a request.
func (r *report) chart() picture.Chart {
	c := picture.Chart{
		Title:    "What a request costs: a token verified, 20 policies, one limit",
		Subtitle: "CPU time that Envoy needs in addition, per request. Shorter is better.",
		Unit:     "µs",
		Footer: []string{
			"Native: Envoy's jwt_authn, rbac and local_ratelimit. The token is RS256; all others have it in their cache.",
			fmt.Sprintf("Envoy %s, one worker, on a CPU of its own: medians of %d rounds of %.3g s (lines: least to most).",
				r.Envoy, r.Rounds, r.Seconds),
			fmt.Sprintf("%s, %d CPUs, load average %s before, %s after; %.1f %% of the time stolen by the hypervisor. Made by: make bench",
				r.Date, r.CPUs, r.LoadBefore, r.LoadAfter, r.Stolen),
		},
	}
	for _, d := range drawnScenarios {
		c.Bars = append(c.Bars, r.bar(d))
	}
	return c
}

func (r *report) bar(d drawn) picture.Bar {
	bar := picture.Bar{Label: d.label, Kind: d.kind}
	i := slices.IndexFunc(r.Scenarios, func(s row) bool { return s.Name == d.name })
	switch {
	case i < 0:
		bar.Missing = "not measured"
	case r.Scenarios[i].Added.Median <= 0:
		bar.Missing = "too noisy"
	default:
		added := r.Scenarios[i].Added
		bar.Value, bar.Low, bar.High, bar.Note = added.Median, added.Min, added.Max, r.note(d.name)
	}
	return bar
}

// note has the ratios of a scenario, those that the report has.
func (r *report) note(name string) string {
	note := ""
	for _, reference := range drawnReferences {
		for _, q := range r.Ratios {
			if q.Of == name && q.By == reference.name && !q.Noise {
				if note != "" {
					note += ", "
				}
				note += fmt.Sprintf("%.2f%s", q.Median, reference.label)
			}
		}
	}
	return note
}
