# The DNS on each client of a Nomad cluster.

variable "registry" {
  type        = string
  default     = "registry.example.com/"
  description = "where the clients find the images, with a slash at its end"
}

variable "release" {
  type    = string
  default = "0.1.0"
}

job "panteras-dns" {
  datacenters = ["*"]
  type        = "system"

  group "dns" {
    task "dns" {
      driver = "docker"

      config {
        image           = "${var.registry}panteras-dns:${var.release}"
        args            = ["serve", "--listen", "private"]
        network_mode    = "host"
        readonly_rootfs = true
        cap_drop        = ["all"]
        cap_add         = ["net_bind_service", "setuid", "setgid"]
      }

      resources {
        cpu    = 200
        memory = 128
      }
    }
  }
}
