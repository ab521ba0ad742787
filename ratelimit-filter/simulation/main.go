// Command simulation prints the tables of what global limits cost and how far off they are in ratelimit-filter's README: a
// discrete-event simulation in virtual time, the same each time it runs.
package main

import "fmt"

func main() { fmt.Println(CostTable() + "\n" + ComparisonTable()) }
