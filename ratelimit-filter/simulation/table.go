package main

import (
	"fmt"
	"strconv"
	"strings"
)

var (
	proxies = []int{1, 100, 10_000}
	loads   = []float64{0.5, 1, 2, 10}
)

// CostTable is what scope: global costs and what it comes to, in Markdown.
func CostTable() string {
	var b strings.Builder
	b.WriteString("| proxies | load | requests that ask | calls per admitted | in a window | in any minute | service down: in a window | at most | in vain |\n")
	b.WriteString("| --: | --: | --: | --: | --: | --: | --: | --: | --: |\n")
	for _, n := range proxies {
		for _, load := range loads {
			b.WriteString(costRow(Scenario{Proxies: n, Load: load}, number(load)))
		}
		b.WriteString(costRow(Scenario{Proxies: n, Load: 2, AtTurn: true}, "2, at the turn"))
	}
	return b.String()
}

// ComparisonTable is what the schemes admit in a window, in Markdown. With one proxy they are the same, and what the service
// admits of load that is not skewed is in the other table.
func ComparisonTable() string {
	var b strings.Builder
	b.WriteString("| proxies | load | `instance` | a share each | skewed: `global` | `instance` | a share each |\n")
	b.WriteString("| --: | --: | --: | --: | --: | --: | --: |\n")
	schemes := []Scenario{{Scheme: Instance}, {Scheme: Split}, {Skewed: true}, {Skewed: true, Scheme: Instance}, {Skewed: true, Scheme: Split}}
	for _, n := range proxies[1:] {
		for _, load := range loads {
			cells := []string{count(n), number(load)}
			for _, s := range schemes {
				s.Proxies, s.Load = n, load
				cells = append(cells, times(Run(s).Mean))
			}
			b.WriteString(row(cells...))
		}
	}
	return b.String()
}

func costRow(s Scenario, load string) string {
	r := Run(s)
	s.Down = true
	down := Run(s)
	return row(count(s.Proxies), load, percent(r.Asked), times(r.Calls), times(r.Mean), times(r.Interval),
		times(down.Mean), times(down.Most), percent(down.Asked))
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

func times(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

func count(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
