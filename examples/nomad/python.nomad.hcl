# The sample application: two instances, named through the SERVICE_ variables.

variable "registry" {
  type        = string
  default     = "registry.example.com/"
  description = "where the clients find the images, with a slash at its end"
}

variable "release" {
  type    = string
  default = "0.1.0"
}

job "python1" {
  datacenters = ["*"]
  type        = "service"

  group "python1" {
    count = 2

    network {
      port "http" {
        to = 8000
      }
    }

    # The new instance answers before an old one goes.
    update {
      max_parallel     = 1
      canary           = 1
      auto_promote     = true
      health_check     = "task_states"
      min_healthy_time = "3s"
    }

    # No service block: the registrator tells Consul, and with both there would be two entries for each instance.
    task "python1" {
      driver = "docker"

      config {
        image = "${var.registry}panteras-example:${var.release}"
        ports = ["http"]
      }

      env {
        SERVICE_NAME = "python1"
        SERVICE_TAGS = "http,sample"
      }

      kill_timeout = "10s"

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
