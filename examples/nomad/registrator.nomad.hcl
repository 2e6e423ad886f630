# The registrator on each client of a Nomad cluster. The clients allow volumes: plugin "docker" { config { volumes { enabled = true } } }

variable "registry" {
  type        = string
  default     = "registry.example.com/"
  description = "where the clients find the images, with a slash at its end"
}

variable "release" {
  type    = string
  default = "0.1.0"
}

job "panteras-registrator" {
  datacenters = ["*"]
  type        = "system"

  group "registrator" {
    task "registrator" {
      driver = "docker"

      config {
        image           = "${var.registry}panteras-box:${var.release}"
        args            = ["registrator", "--host", "${node.unique.name}"]
        network_mode    = "host"
        readonly_rootfs = true
        cap_drop        = ["all"]
        volumes         = ["/var/run/docker.sock:/var/run/docker.sock:ro"]
      }

      resources {
        cpu    = 100
        memory = 96
      }
    }
  }
}
